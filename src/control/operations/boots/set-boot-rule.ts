import { Fault } from '../../../errors/index.ts';
import type { BootRule, BootRuleOwner } from '../../catalog/records.ts';
import type { Control } from '../../control.ts';
import type { BootRuleView, SetBootRuleInput } from '../../schemas/boot.ts';
import { findCollection, findMachine, findVdisk } from '../find.ts';
import { listBootRules } from './show-boots.ts';

/**
 * What is given replaces what the rule said, the rest stays; null says nothing any more.
 * @returns all rules
 * @throws Fault INVALID_INPUT, NOT_FOUND
 */
export function setBootRule(control: Control, input: SetBootRuleInput): BootRuleView[] {
  const { owner, id, name } = ownerOf(control, input);
  refuseMeaningless(owner, input);
  const { bootRules } = control.catalog;
  control.change((record) => {
    const before = bootRules.of(owner, id);
    const after: BootRule = {
      most: input.most === undefined ? before.most : (input.most ?? undefined),
      priority: input.priority === undefined ? before.priority : (input.priority ?? undefined),
    };
    bootRules.save(owner, id, after);
    record({
      kind: 'boot.rule-changed',
      subject: `${owner}/${name}`,
      message: `booting of ${owner} ${name}: ${sentence(after)}`,
      data: { most: after.most ?? null, priority: after.priority ?? null },
    });
  });
  return listBootRules(control);
}

function ownerOf(
  { catalog }: Control,
  { machine, collection, vdisk }: SetBootRuleInput,
): { readonly owner: BootRuleOwner; readonly id: string; readonly name: string } {
  const given = [machine, collection, vdisk].filter((one) => one !== undefined);
  if (given.length !== 1) {
    throw new Fault('INVALID_INPUT', 'a rule is about one machine, one collection or one vDisk', {
      field: 'rule.machine',
      value: given,
      expected: 'one of machine, collection and vdisk',
    });
  }
  if (machine !== undefined) {
    return { owner: 'machine', id: findMachine(catalog, machine).id, name: machine };
  }
  if (collection !== undefined) {
    return { owner: 'collection', id: findCollection(catalog, collection).id, name: collection };
  }
  const name = vdisk ?? '';
  return { owner: 'vdisk', id: findVdisk(catalog, name).id, name };
}

function refuseMeaningless(owner: BootRuleOwner, { most, priority }: SetBootRuleInput): void {
  if (owner === 'machine' && typeof most === 'number') {
    throw new Fault('INVALID_INPUT', 'a machine boots once at a time', {
      field: 'rule.most',
      value: most,
      expected: 'a collection or a vDisk, or a priority',
    });
  }
  if (owner === 'vdisk' && typeof priority === 'number') {
    throw new Fault('INVALID_INPUT', 'a vDisk has no priority', {
      field: 'rule.priority',
      value: priority,
      expected: 'a machine or a collection',
    });
  }
  if (most === undefined && priority === undefined) {
    throw new Fault('INVALID_INPUT', 'the rule says nothing', {
      field: 'rule.most',
      value: null,
      expected: 'most or priority, or null for one that is to say nothing any more',
    });
  }
}

function sentence({ most, priority }: BootRule): string {
  const parts = [
    ...(most === undefined ? [] : [`at most ${most} at once`]),
    ...(priority === undefined ? [] : [`priority ${priority}`]),
  ];
  return parts.length === 0 ? 'no rule' : parts.join(', ');
}
