import Type, { type TSchema } from 'typebox';
import { type TaskView, VersionNumberField } from '../../control/index.ts';
import { MAX_PARAMETER_LENGTH } from '../limits.ts';
import { PROBLEM_TYPE, Problem } from '../problem.ts';

const PROBLEM_MEDIA = PROBLEM_TYPE.replace(/;.*/, '');

const FAILURE = {
  description: 'what went wrong, as problem+json',
  content: { [PROBLEM_MEDIA]: { schema: Problem } },
};

/** What a route answers with one status, and problems for the rest. */
export function answers<const S extends number, T extends TSchema>(status: S, schema: T) {
  return { [status]: schema, '4xx': FAILURE, '5xx': FAILURE } as Record<S, T> & {
    '4xx': typeof FAILURE;
    '5xx': typeof FAILURE;
  };
}

/** What a route answers that sends a stream. */
export function streamed(description: string) {
  const schema = { type: 'string', format: 'binary' };
  return {
    200: { description, content: { 'application/octet-stream': { schema } } },
    '4xx': FAILURE,
    '5xx': FAILURE,
  };
}

/** A body that is read as it comes: nothing of it is looked at before. */
export function streamedBody(description: string) {
  return { content: { 'application/octet-stream': { schema: { description } } } };
}

export const Nothing = Type.Null({ description: 'done' });

export function parameter<const N extends string>(name: N, description: string) {
  const value = Type.String({ minLength: 1, maxLength: MAX_PARAMETER_LENGTH, description });
  return Type.Object({ [name]: value } as Record<N, typeof value>);
}

export const NameParameter = parameter('name', 'a name');

export const VersionParameter = Type.Object({
  ...NameParameter.properties,
  number: VersionNumberField,
});

export const VolumeParameter = Type.Object({
  ...NameParameter.properties,
  ...parameter('volume', 'the name of a volume').properties,
});

export const SnapshotParameter = Type.Object({
  ...NameParameter.properties,
  ...parameter('snapshot', 'VOLUME@SNAPSHOT, or the id of a snapshot').properties,
});

export const MappingParameter = Type.Object({
  ...VolumeParameter.properties,
  ...parameter('host', 'the name of a host').properties,
});

/** Answers with a task that has begun. */
export function accepted(
  reply: { code(status: 202): { header(name: string, value: string): unknown } },
  task: TaskView,
): TaskView {
  reply.code(202).header('location', `/v1/tasks/${task.id}`);
  return task;
}
