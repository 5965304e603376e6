import {
  ApproveEnrolmentInput,
  approveEnrolment,
  type Control,
  EnrolmentPolicyInput,
  EnrolmentPolicyView,
  EnrolmentView,
  items,
  listEnrolments,
  MachineView,
  refuseEnrolment,
  setEnrolmentPolicy,
  showEnrolmentPolicy,
} from '../../control/index.ts';
import type { ApiInstance } from '../route-provider.ts';
import { answers, parameter } from './answers.ts';

const tags = ['enrolments'];
const MacParameter = parameter('mac', 'a MAC address');

export function enrolmentRoutes(control: Control) {
  return async (app: ApiInstance): Promise<void> => {
    app.get(
      '/enrolments',
      {
        schema: {
          operationId: 'listEnrolments',
          summary: 'Unknown machines that asked to boot',
          tags,
          response: answers(200, items(EnrolmentView)),
        },
      },
      () => ({ items: [...listEnrolments(control)] }),
    );
    app.post(
      '/enrolments/:mac/approve',
      {
        schema: {
          operationId: 'approveEnrolment',
          summary: 'Make it a machine',
          tags,
          params: MacParameter,
          body: ApproveEnrolmentInput,
          response: answers(201, MachineView),
        },
      },
      (request, reply) => {
        const machine = approveEnrolment(control, request.params.mac, request.body);
        reply.code(201).header('location', `/v1/machines/${machine.name}`);
        return machine;
      },
    );
    app.post(
      '/enrolments/:mac/refuse',
      {
        schema: {
          operationId: 'refuseEnrolment',
          summary: 'Leave it to its local disk',
          tags,
          params: MacParameter,
          response: answers(200, EnrolmentView),
        },
      },
      (request) => refuseEnrolment(control, request.params.mac),
    );
  };
}

export function enrolmentPolicyRoutes(control: Control) {
  return async (app: ApiInstance): Promise<void> => {
    app.get(
      '/enrolment-policy',
      {
        schema: {
          operationId: 'showEnrolmentPolicy',
          summary: 'What happens to unknown machines',
          tags,
          response: answers(200, EnrolmentPolicyView),
        },
      },
      () => showEnrolmentPolicy(control),
    );
    app.put(
      '/enrolment-policy',
      {
        schema: {
          operationId: 'setEnrolmentPolicy',
          summary: 'Let unknown machines wait, or give them a template',
          tags,
          body: EnrolmentPolicyInput,
          response: answers(200, EnrolmentPolicyView),
        },
      },
      (request) => setEnrolmentPolicy(control, request.body),
    );
  };
}
