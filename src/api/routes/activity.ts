import {
  type Control,
  EventView,
  items,
  LeaseView,
  ListEventsInput,
  listEvents,
  listLeases,
  StatusView,
  showStatus,
} from '../../control/index.ts';
import type { ApiInstance } from '../route-provider.ts';
import { answers } from './answers.ts';

export function eventRoutes(control: Control) {
  return async (app: ApiInstance): Promise<void> => {
    app.get(
      '/events',
      {
        schema: {
          operationId: 'listEvents',
          summary: 'What happened, newest first',
          tags: ['events'],
          querystring: ListEventsInput,
          response: answers(200, items(EventView)),
        },
      },
      (request) => ({ items: [...listEvents(control, request.query)] }),
    );
  };
}

export function leaseRoutes(control: Control) {
  return async (app: ApiInstance): Promise<void> => {
    app.get(
      '/leases',
      {
        schema: {
          operationId: 'listLeases',
          summary: 'DHCP leases of full mode',
          tags: ['leases'],
          response: answers(200, items(LeaseView)),
        },
      },
      () => ({ items: [...listLeases(control)] }),
    );
  };
}

export function statusRoutes(control: Control) {
  return async (app: ApiInstance): Promise<void> => {
    app.get(
      '/status',
      {
        schema: {
          operationId: 'showStatus',
          summary: 'The service at a glance',
          tags: ['status'],
          response: answers(200, StatusView),
        },
      },
      () => showStatus(control),
    );
  };
}
