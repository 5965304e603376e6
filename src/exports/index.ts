/**
 * What block servers serve: named exports, each a stack of devices. Read first: build-stack.ts.
 */
export {
  chainTable,
  type Stack,
  type StackBuilder,
  type StackParts,
  stackBuilder,
} from './build-stack.ts';
export type { ChainTable } from './chain-table.ts';
export type {
  ContextExtent,
  ExportClient,
  ExportProvider,
  ExportSummary,
  MetaContext,
  OpenExport,
} from './export.ts';
export { ExportTable, type PlanSource } from './export-table.ts';
export type {
  ChainPlan,
  DiskPlan,
  LayerPlan,
  OverlayPlan,
  StackPlan,
  VolumePlan,
  VolumeStack,
} from './stack-plan.ts';
export { createTraffic, readTraffic, type Traffic } from './traffic.ts';
