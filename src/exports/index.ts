/**
 * What block servers serve: named exports, each a stack of devices. Read first: build-stack.ts.
 */
export { type Stack, type StackBuilder, type StackParts, stackBuilder } from './build-stack.ts';
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
