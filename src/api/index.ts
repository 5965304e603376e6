/** REST over the control plane's operations. Read first: build-api.ts. */
export { type ApiOptions, buildApi } from './build-api.ts';
export { PROBLEMS, type Problem, type ProblemKind } from './problem.ts';
