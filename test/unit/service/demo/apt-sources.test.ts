import { describe, expect, test } from 'vitest';
import { deb822Sources, listSources, osRelease } from '../../../../src/service/demo/apt-sources.ts';

describe('apt sources of this machine', () => {
  test('deb822 stanzas become one line per address and suite, without the disabled ones', () => {
    const text = [
      'Types: deb deb-src',
      '# a comment',
      'URIs: http://mirror.example/debian',
      'Suites: bookworm bookworm-updates',
      'Components: main contrib',
      'Signed-By: /usr/share/keyrings/debian.gpg',
      '',
      'Enabled: no',
      'Types: deb',
      'URIs: http://other.example/',
      'Suites: bookworm',
      'Components: main',
      '',
      'Types: deb-src',
      'URIs: http://source.example/',
      'Suites: bookworm',
      'Components: main',
    ].join('\n');
    const signed = 'deb [signed-by=/usr/share/keyrings/debian.gpg] http://mirror.example/debian';
    expect(deb822Sources(text)).toEqual([
      `${signed} bookworm main contrib`,
      `${signed} bookworm-updates main contrib`,
    ]);
  });

  test('one-line sources lose their comments, and source packages are left out', () => {
    const text =
      '# deb http://no\ndeb http://a bookworm main # why\n\ndeb-src http://a bookworm main\n';
    expect(listSources(text)).toEqual(['deb http://a bookworm main']);
  });

  test('os-release values come with and without quotes', () => {
    const values = osRelease('ID=debian\nVERSION_CODENAME="bookworm"\nnonsense\n');
    expect(values.get('ID')).toBe('debian');
    expect(values.get('VERSION_CODENAME')).toBe('bookworm');
  });
});
