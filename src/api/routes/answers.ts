import Type, { type TSchema } from 'typebox';
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

export const Nothing = Type.Null({ description: 'done' });

export function parameter<const N extends string>(name: N, description: string) {
  const value = Type.String({ minLength: 1, maxLength: MAX_PARAMETER_LENGTH, description });
  return Type.Object({ [name]: value } as Record<N, typeof value>);
}

export const NameParameter = parameter('name', 'a name');
