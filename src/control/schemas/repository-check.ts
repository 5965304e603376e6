/** A check of what Rootcast keeps on storage besides data. */
import Type, { type Static } from 'typebox';
import { ProbeInput } from './repository.ts';

const CHECK = {
  repair: Type.Optional(
    Type.Boolean({ description: 'true: put right what can be put right without guessing' }),
  ),
  force: Type.Optional(
    Type.Boolean({
      description: 'true: repair also what a server has attached, which is known to be dead',
    }),
  ),
};

export const CheckRepositoryInput = Type.Object(CHECK, { additionalProperties: false });
export type CheckRepositoryInput = Static<typeof CheckRepositoryInput>;

export const CheckStorageInput = Type.Object(
  { ...ProbeInput.properties, ...CHECK },
  { additionalProperties: false },
);
export type CheckStorageInput = Static<typeof CheckStorageInput>;
