export { setBootRule } from './set-boot-rule.ts';
export { listBootRules, machineTimeline, showBoots } from './show-boots.ts';
export { deleteTrace, exportTrace, importTrace, showTrace } from './version-trace.ts';
