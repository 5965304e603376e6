// biome-ignore-all lint/suspicious/noTemplateCurlyInString: iPXE's and GRUB's variables, not ours
import { describe, expect, it } from 'vitest';
import { mediumGrubConfig, mediumIpxeScript } from '../../../../src/pxe/media/medium-texts.ts';
import { servedScript } from '../../../../src/pxe/served-script.ts';

const SERVERS = [
  { host: '10.0.0.1', port: 8481 },
  { host: '10.9.0.1', port: 80 },
];
const NETWORK = { address: '10.0.0.33', netmask: '255.255.240.0', router: '10.0.0.254' };

describe("a medium's iPXE script", () => {
  it('tries every card at every server, for ever', () => {
    expect(mediumIpxeScript({ servers: SERVERS, network: undefined })).toBe(`#!ipxe
:again
set card:int32 0
:next
isset \${net\${card}/mac} || goto none
ifconf --configurator dhcp net\${card} || goto skip
chain --replace --autofree http://10.0.0.1:8481/boot/\${net\${card}/mac:hexhyp}.ipxe ||
chain --replace --autofree http://10.9.0.1:80/boot/\${net\${card}/mac:hexhyp}.ipxe ||
:skip
ifclose net\${card} ||
inc card
goto next
:none
echo Rootcast: no card of this machine reaches 10.0.0.1:8481, 10.9.0.1:80
echo Rootcast: trying again in 10 seconds
sleep 10
goto again
`);
  });

  it('asks no DHCP where it has the address', () => {
    const script = mediumIpxeScript({ servers: SERVERS, network: NETWORK });
    expect(script).not.toContain('dhcp');
    expect(script).toContain(
      'set net${card}/ip 10.0.0.33\nset net${card}/netmask 255.255.240.0\nset net${card}/gateway 10.0.0.254\nifopen net${card}',
    );
    expect(script).toContain(
      '/boot/${net${card}/mac:hexhyp}+10.0.0.33+255.255.240.0+10.0.0.254.ipxe',
    );
  });
});

describe("a medium's GRUB config", () => {
  it('asks DHCP card by card, and goes by the address of the card that got one', () => {
    const config = mediumGrubConfig({ servers: SERVERS, network: undefined });
    expect(config).toContain(`  if net_dhcp efinet1; then
    set root=tftp,10.0.0.1
    source /boot/\${net_efinet1_dhcp_mac}\${net_efinet1_dhcp0_mac}.grub
    set root=tftp,10.9.0.1
    source /boot/\${net_efinet1_dhcp_mac}\${net_efinet1_dhcp0_mac}.grub
  fi
`);
  });

  it('gives the address to one card after the other, with its routes', () => {
    const config = mediumGrubConfig({ servers: SERVERS.slice(0, 1), network: NETWORK });
    expect(config).not.toContain('net_dhcp');
    expect(config).toContain(`  if net_add_addr efinet0s efinet0 10.0.0.33; then
    net_add_route efinet0l 10.0.0.33/20 efinet0s
    net_add_route efinet0r 0.0.0.0/0 gw 10.0.0.254
    set root=tftp,10.0.0.1
    source /boot/\${net_efinet0s_mac}+10.0.0.33+255.255.240.0+10.0.0.254.grub
    net_del_addr efinet0s
  fi
`);
  });
});

describe('the name of a script that brings an address', () => {
  const script = (name: string) => servedScript(`/boot/${name}`);

  it('is read back as it was written', () => {
    const mac = '52:54:00:12:34:56';
    expect(script('52-54-00-12-34-56+10.0.0.33+255.255.240.0+10.0.0.254.ipxe')).toEqual({
      ...{ kind: 'machine', mac, language: 'ipxe' },
      network: NETWORK,
    });
    expect(script(`${mac}+10.0.0.33+255.255.240.0+none.grub`)).toEqual({
      ...{ kind: 'machine', mac, language: 'grub' },
      network: { ...NETWORK, router: undefined },
    });
  });

  it.each([
    '+10.0.0.33',
    '+10.0.0.33+255.255.240.0',
    '+10.0.0.33+255.0.255.0+none',
    '+10.0.0.33+255.255.240.0+10.9.0.1',
    '+10.0.0.333+255.255.240.0+none',
    '+10.0.0.33+255.255.240.0+none+none',
    '+none+255.255.240.0+none',
    '+',
  ])('is no script with %s', (suffix) => {
    expect(script(`52-54-00-12-34-56${suffix}.ipxe`)).toBeUndefined();
  });
});
