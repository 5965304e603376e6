/** Personality data of machines and of collections: the same four routes for both. */
import {
  type Control,
  clearPersonality,
  type PersonalityOwner,
  PersonalityView,
  ReplacePersonalityInput,
  replacePersonality,
  showPersonality,
  UpdatePersonalityInput,
  updatePersonality,
} from '../../control/index.ts';
import { MAX_LARGE_BODY_BYTES } from '../limits.ts';
import type { ApiInstance } from '../route-provider.ts';
import { answers, NameParameter, Nothing } from './answers.ts';

interface Owner extends Pick<PersonalityOwner, 'kind'> {
  /** In operation ids. */
  readonly word: string;
  readonly path: string;
  readonly tag: string;
}

const OWNERS: readonly Owner[] = [
  { kind: 'machine', word: 'Machine', path: '/machines/:name/personality', tag: 'machines' },
  {
    kind: 'collection',
    word: 'Collection',
    path: '/collections/:name/personality',
    tag: 'collections',
  },
];

export function personalityRoutes(control: Control) {
  return async (app: ApiInstance): Promise<void> => {
    for (const owner of OWNERS) {
      readAndClear(app, control, owner);
      write(app, control, owner);
    }
  };
}

function readAndClear(app: ApiInstance, control: Control, { kind, word, path, tag }: Owner): void {
  const tags = [tag];
  app.get(
    path,
    {
      schema: {
        operationId: `show${word}Personality`,
        summary: `Names and values that the ${kind} hands over at boot`,
        tags,
        params: NameParameter,
        response: answers(200, PersonalityView),
      },
    },
    (request) => showPersonality(control, { kind, name: request.params.name }),
  );
  app.delete(
    path,
    {
      schema: {
        operationId: `clear${word}Personality`,
        summary: `Remove all personality data of the ${kind} itself`,
        tags,
        params: NameParameter,
        response: answers(204, Nothing),
      },
    },
    async (request, reply) => {
      clearPersonality(control, { kind, name: request.params.name });
      return reply.code(204).send(null);
    },
  );
}

function write(app: ApiInstance, control: Control, { kind, word, path, tag }: Owner): void {
  const tags = [tag];
  const bodyLimit = MAX_LARGE_BODY_BYTES;
  app.put(
    path,
    {
      bodyLimit,
      schema: {
        operationId: `replace${word}Personality`,
        summary: `Give the ${kind} this personality data and no other`,
        tags,
        params: NameParameter,
        body: ReplacePersonalityInput,
        response: answers(200, PersonalityView),
      },
    },
    (request) => replacePersonality(control, { kind, name: request.params.name }, request.body),
  );
  app.patch(
    path,
    {
      bodyLimit,
      schema: {
        operationId: `update${word}Personality`,
        summary: `Set and remove personality data of the ${kind}, leave the rest`,
        tags,
        params: NameParameter,
        body: UpdatePersonalityInput,
        response: answers(200, PersonalityView),
      },
    },
    (request) => updatePersonality(control, { kind, name: request.params.name }, request.body),
  );
}
