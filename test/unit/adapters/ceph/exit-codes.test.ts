import { describe, expect, it } from 'vitest';
import { codeOfExit, errorOfEnd } from '../../../../src/adapters/ceph/exit-codes.ts';
import { ARRAY_ERROR_CODES } from '../../../../src/errors/index.ts';

const exited = (code: number, stderr: string) =>
  ({ outcome: 'exited', code, stdout: '', stderr }) as const;

describe('the exit code of rbd', () => {
  it('is an errno, and every one has a code', () => {
    for (let exit = 0; exit < 256; exit += 1) expect(ARRAY_ERROR_CODES).toContain(codeOfExit(exit));
    expect(codeOfExit(2)).toBe('NOT_FOUND');
    expect(codeOfExit(16)).toBe('IN_USE');
    expect(codeOfExit(39)).toBe('HAS_DEPENDENTS');
    expect(codeOfExit(108)).toBe('FENCED');
    expect(codeOfExit(200)).toBe('BACKEND_BUG');
  });

  it('comes with the words, without progress and time stamps', () => {
    const said =
      '2026-11-27T21:47:36.539+0000 7fd1fc28e380 -1 librbd::api::Image: remove: image has snapshots\n\n' +
      '\rRemoving image: 0% complete...\rRemoving image: 0% complete...failed.\nrbd: image has snapshots\n';
    const error = errorOfEnd(exited(39, said), 'delete v1', true);
    expect(error.code).toBe('HAS_DEPENDENTS');
    expect(error.details.nativeCode).toBe(39);
    expect(error.details.nativeMessage).toBe(
      'librbd::api::Image: remove: image has snapshots; Removing image: 0% complete...failed.; rbd: image has snapshots',
    );
  });

  it('tells a wrong key from a cluster that does not answer', () => {
    const refused = "rbd: couldn't connect to the cluster!\nrbd: listing images failed: (13)";
    expect(errorOfEnd(exited(13, refused), 'list', false).code).toBe('AUTH_FAILED');
    const silent = "authenticate timed out after 3\nrbd: couldn't connect to the cluster!";
    expect(errorOfEnd(exited(110, silent), 'create', true).code).toBe('UNREACHABLE');
    expect(errorOfEnd(exited(110, 'rbd: create error: (110)'), 'create', true).code).toBe(
      'UNKNOWN_OUTCOME',
    );
  });

  it('of a call that was killed is unknown when it may have changed something', () => {
    const killed = { outcome: 'killed', why: 'timeout', stderr: '' } as const;
    expect(errorOfEnd(killed, 'create', true).code).toBe('UNKNOWN_OUTCOME');
    expect(errorOfEnd(killed, 'list', false).code).toBe('TIMEOUT');
    const missing = { outcome: 'missing', error: new Error('ENOENT') } as const;
    expect(errorOfEnd(missing, 'list', false).code).toBe('TOOL_MISSING');
  });
});
