/**
 * What block servers serve: named exports, each a stack of devices. Read first: build-stack.ts.
 */
export type { ExportClient, ExportProvider, ExportSummary, OpenExport } from './export.ts';
