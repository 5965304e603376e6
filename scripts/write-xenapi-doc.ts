import { writeFileSync } from 'node:fs';
import { PAGE, renderCalls } from './xenapi-doc.ts';

writeFileSync(PAGE, renderCalls());
