import type { Case } from '../suite.ts';
import { blockStatusCases } from './block-status.ts';
import { commandCases } from './commands.ts';
import { handshakeCases } from './handshake.ts';
import { infoGoCases } from './info-go.ts';
import { negotiationCases } from './negotiation.ts';
import { payloadCases } from './payloads.ts';
import { tlsCases } from './tls.ts';
import { transmissionCases } from './transmission.ts';

/** The whole table, in the order of the protocol document's phases. */
export const CASES: readonly Case[] = [
  ...handshakeCases,
  ...infoGoCases,
  ...negotiationCases,
  ...tlsCases,
  ...commandCases,
  ...transmissionCases,
  ...payloadCases,
  ...blockStatusCases,
];
