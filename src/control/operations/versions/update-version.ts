import type { Control } from '../../control.ts';
import type { UpdateVersionInput, VersionView } from '../../schemas/version.ts';
import { parseKernelArguments } from '../../values/kernel-arguments.ts';
import { VersionSituations, versionSubject } from '../../versions/situation.ts';
import { findVersion } from './find-version.ts';
import { versionView } from './version-view.ts';

/** What is said about a version, and how its kernel is called; never its content. @throws Fault */
export function updateVersion(
  control: Control,
  vdiskName: string,
  number: number,
  input: UpdateVersionInput,
): VersionView {
  return control.change((record) => {
    const { vdisk, version } = findVersion(control.catalog, vdiskName, number);
    const { description = version.description, kernelArguments } = input;
    const changed = {
      ...version,
      description,
      kernelArguments:
        kernelArguments === undefined
          ? version.kernelArguments
          : parseKernelArguments(kernelArguments, 'version.kernelArguments'),
    };
    control.catalog.versions.update(changed);
    record({
      kind: 'version.changed',
      subject: versionSubject(vdiskName, number),
      message: `version ${number} of ${vdiskName}: ${Object.keys(input).join(', ')} changed`,
      data: { ...input },
    });
    return versionView(new VersionSituations(control, vdisk), changed, control);
  });
}
