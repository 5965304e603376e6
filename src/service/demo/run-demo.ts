import { demoNeeds } from './demo-needs.ts';
import { demoSession } from './demo-session.ts';
import { ProgressView, type Screen } from './progress-view.ts';
import { realDemo } from './real-demo.ts';
import { simulatedDemo } from './simulated-demo.ts';

/**
 * `npm start -- --demo`: shows the main job to someone with nothing prepared. Installs nothing: it says
 * what is missing to boot real machines, and simulates them instead.
 * @returns the exit code
 */
export async function runDemo(screen: Screen = standardOutput()): Promise<number> {
  const view = new ProgressView(screen);
  view.say(
    'Rootcast demo: several machines boot from one shared image, each with its own write cache.\n',
  );
  const { missing, packages } = await demoNeeds();
  if (missing.length > 0) {
    view.say('Real machines cannot be booted here. Missing:');
    for (const what of missing) view.say(`  - ${what}`);
    if (packages.length > 0) {
      view.say('\nOn Debian this installs the programs, as root:');
      view.say(`  apt-get install --no-install-recommends ${packages.join(' ')}`);
    }
    view.say(
      '\nSo the machines are SIMULATED: the service is real, the machines only replay a recorded boot.\n',
    );
  }
  const code = await demoSession(view, missing.length > 0 ? simulatedDemo : realDemo);
  if (code === 0) {
    view.say(
      '\nEverything has been stopped and removed (the Debian image stays in the cache). To go on:',
    );
    view.say(
      '  npm start                                          # the service; docs/BOOT.md for PXE',
    );
    view.say('  bin/rootcast vdisk import disk.img --name debian');
    view.say('  bin/rootcast machine add NAME --mac MAC --vdisk debian');
  }
  return code;
}

function standardOutput(): Screen {
  return {
    write: (text) => process.stdout.write(text),
    isTTY: process.stdout.isTTY === true,
  };
}
