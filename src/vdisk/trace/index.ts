export { AccessRecorder, createAccessRecord, endAccessRecord } from './access-recorder.ts';
export { MAX_TRACE_UNITS } from './limits.ts';
export { type AheadEnd, readAhead } from './read-ahead.ts';
