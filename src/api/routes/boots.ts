import {
  BootRuleView,
  BootsView,
  BootTimelineView,
  type Control,
  deleteTrace,
  exportTrace,
  ImportTraceInput,
  importTrace,
  items,
  listBootRules,
  machineTimeline,
  SetBootRuleInput,
  setBootRule,
  showBoots,
  showTrace,
  TraceFileView,
  TraceView,
} from '../../control/index.ts';
import { MAX_TRACE_BODY_BYTES } from '../limits.ts';
import type { ApiInstance } from '../route-provider.ts';
import { answers, NameParameter, Nothing, VersionParameter } from './answers.ts';

const tags = ['boots'];

export function bootRoutes(control: Control) {
  return async (app: ApiInstance): Promise<void> => {
    queue(app, control);
    app.get(
      '/machines/:name/boots',
      {
        schema: {
          operationId: 'machineTimeline',
          summary: 'The last boots of a machine, step by step, the newest first',
          tags: ['machines'],
          params: NameParameter,
          response: answers(200, items(BootTimelineView)),
        },
      },
      (request) => ({ items: [...machineTimeline(control, request.params.name)] }),
    );
    lookAtTraces(app, control);
    changeTraces(app, control);
  };
}

function queue(app: ApiInstance, control: Control): void {
  app.get(
    '/boots',
    {
      schema: {
        operationId: 'showBoots',
        summary: 'Machines that boot, and those that wait to',
        tags,
        response: answers(200, BootsView),
      },
    },
    () => showBoots(control),
  );
  app.get(
    '/boots/rules',
    {
      schema: {
        operationId: 'listBootRules',
        summary: 'Limits and priorities of booting',
        tags,
        response: answers(200, items(BootRuleView)),
      },
    },
    () => ({ items: listBootRules(control) }),
  );
  app.put(
    '/boots/rules',
    {
      schema: {
        operationId: 'setBootRule',
        summary:
          'Limit how many machines of a collection or a vDisk boot at once, or say who goes first',
        tags,
        body: SetBootRuleInput,
        response: answers(200, items(BootRuleView)),
      },
    },
    (request) => ({ items: setBootRule(control, request.body) }),
  );
}

function lookAtTraces(app: ApiInstance, control: Control): void {
  app.get(
    '/vdisks/:name/versions/:number/trace',
    {
      schema: {
        operationId: 'showTrace',
        summary: 'What boots of a version read first',
        tags,
        params: VersionParameter,
        response: answers(200, TraceView),
      },
    },
    ({ params }) => showTrace(control, params.name, params.number),
  );
  app.get(
    '/vdisks/:name/versions/:number/trace/file',
    {
      schema: {
        operationId: 'exportTrace',
        summary: 'The same as a file, for another server that has the version',
        tags,
        params: VersionParameter,
        response: answers(200, TraceFileView),
      },
    },
    ({ params }) => exportTrace(control, params.name, params.number),
  );
}

function changeTraces(app: ApiInstance, control: Control): void {
  app.put(
    '/vdisks/:name/versions/:number/trace/file',
    {
      bodyLimit: MAX_TRACE_BODY_BYTES,
      schema: {
        operationId: 'importTrace',
        summary: 'Take such a file in the place of what was recorded here',
        tags,
        params: VersionParameter,
        body: ImportTraceInput,
        response: answers(200, TraceView),
      },
    },
    ({ params, body }) => importTrace(control, params.name, params.number, body.file),
  );
  app.delete(
    '/vdisks/:name/versions/:number/trace',
    {
      schema: {
        operationId: 'deleteTrace',
        summary: 'Forget what was recorded; further boots are recorded anew',
        tags,
        params: VersionParameter,
        response: answers(204, Nothing),
      },
    },
    async ({ params }, reply) => {
      deleteTrace(control, params.name, params.number);
      return reply.code(204).send(null);
    },
  );
}
