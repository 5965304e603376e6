import type { Ref } from '../datamodel/description.ts';
import { refOf } from '../objects/refs.ts';

/** Of the SR that shows vDisks: it is no repository's. */
export const VDISK_SR_ID = 'vdisks';
export const VDISK_SR: Ref = refOf('SR', VDISK_SR_ID);
