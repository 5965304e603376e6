import {
  AddMachineInput,
  addMachine,
  type Control,
  deleteMachine,
  items,
  ListMachinesInput,
  listMachines,
  MachineView,
  resetMachine,
  showMachine,
  UpdateMachineInput,
  UpdateMachinesInput,
  updateMachine,
  updateMachines,
} from '../../control/index.ts';
import { MAX_LARGE_BODY_BYTES } from '../limits.ts';
import type { ApiInstance } from '../route-provider.ts';
import { answers, NameParameter, Nothing } from './answers.ts';

const tags = ['machines'];

export function machineRoutes(control: Control) {
  return async (app: ApiInstance): Promise<void> => {
    listAndAdd(app, control);
    app.get(
      '/machines/:name',
      {
        schema: {
          operationId: 'showMachine',
          summary: 'Everything about one machine',
          tags,
          params: NameParameter,
          response: answers(200, MachineView),
        },
      },
      (request) => showMachine(control, request.params.name),
    );
    app.patch(
      '/machines/:name',
      {
        schema: {
          operationId: 'updateMachine',
          summary: 'Change what is given, leave the rest',
          tags,
          params: NameParameter,
          body: UpdateMachineInput,
          response: answers(200, MachineView),
        },
      },
      (request) => updateMachine(control, request.params.name, request.body),
    );
    updateMany(app, control);
    removeAndReset(app, control);
  };
}

function listAndAdd(app: ApiInstance, control: Control): void {
  app.get(
    '/machines',
    {
      schema: {
        operationId: 'listMachines',
        summary: 'All machines, or those of a collection, by name',
        tags,
        querystring: ListMachinesInput,
        response: answers(200, items(MachineView)),
      },
    },
    (request) => ({ items: [...listMachines(control, request.query)] }),
  );
  app.post(
    '/machines',
    {
      schema: {
        operationId: 'addMachine',
        summary: 'Add a machine that boots from a vDisk',
        tags,
        body: AddMachineInput,
        response: answers(201, MachineView),
      },
    },
    (request, reply) => {
      const machine = addMachine(control, request.body);
      reply.code(201).header('location', `/v1/machines/${machine.name}`);
      return machine;
    },
  );
}

function updateMany(app: ApiInstance, control: Control): void {
  app.post(
    '/machines/update',
    {
      bodyLimit: MAX_LARGE_BODY_BYTES,
      schema: {
        operationId: 'updateMachines',
        summary: 'Change the same of many machines: all of them or none',
        tags,
        body: UpdateMachinesInput,
        response: answers(200, items(MachineView)),
      },
    },
    async (request) => ({ items: [...(await updateMachines(control, request.body))] }),
  );
}

function removeAndReset(app: ApiInstance, control: Control): void {
  app.delete(
    '/machines/:name',
    {
      schema: {
        operationId: 'deleteMachine',
        summary: 'Delete a machine and its write cache; its connections end',
        tags,
        params: NameParameter,
        response: answers(204, Nothing),
      },
    },
    async (request, reply) => {
      await deleteMachine(control, request.params.name);
      return reply.code(204).send(null);
    },
  );
  app.post(
    '/machines/:name/reset',
    {
      schema: {
        operationId: 'resetMachine',
        summary: 'Discard the write cache of a machine that is off',
        tags,
        params: NameParameter,
        response: answers(200, MachineView),
      },
    },
    (request) => resetMachine(control, request.params.name),
  );
}
