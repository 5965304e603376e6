import type { Handlers } from '../../call.ts';
import type { VDI } from '../../datamodel/vdi.ts';
import { VDI_SIZE } from '../../disks/vdi-faults.ts';
import { isNullRef } from '../../objects/refs.ts';
import type { Xen } from '../../xen.ts';
import { backendFailure, xenError } from '../../xen-error.ts';
import { makeEmpty } from './make.ts';

export const createVdi =
  (xen: Xen, options: { readonly toBeFilled?: boolean } = {}): Handlers<typeof VDI>['create'] =>
  (call, given) => {
    const { SR: sr, virtual_size: size, type } = given;
    if (type === 'cbt_metadata') throw xenError('VDI_INCOMPATIBLE_TYPE', '', type);
    if (isNullRef(sr) || xen.objects.find('SR', sr) === undefined) {
      throw xenError('HANDLE_INVALID', 'SR', sr);
    }
    if (size <= 0) throw backendFailure(VDI_SIZE, 'VDI Invalid size');
    const { name_label, name_description, sharable, read_only, other_config } = given;
    const { xenstore_data, sm_config, tags } = given;
    const fields = {
      ...{ name_label, name_description, type, sharable, read_only, other_config },
      ...{ xenstore_data, sm_config, tags, virtual_size: size },
    };
    return makeEmpty(xen, call, sr, fields, options);
  };
