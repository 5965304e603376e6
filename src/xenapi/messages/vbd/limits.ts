/** VBDs of the control domain, plugged or not. */
export const MAX_VBDS = 255;
