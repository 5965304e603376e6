/** `npm run docs:limits`. */
import { writeFileSync } from 'node:fs';
import { PAGE, renderLimits } from './limits-doc.ts';

writeFileSync(PAGE, await renderLimits());
