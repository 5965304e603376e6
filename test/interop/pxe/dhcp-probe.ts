/**
 * The machine's side of DHCP: each argument is a packet, {send: hex, to, port}. Sends them from port
 * 68 and prints every packet that comes back.
 */
import { createSocket } from 'node:dgram';

interface Order {
  readonly send: string;
  readonly to: string;
  readonly port: number;
}

const socket = createSocket({ type: 'udp4', reuseAddr: true });
socket.on('message', (bytes, from) => {
  process.stdout.write(
    `${JSON.stringify({ type: 'reply', from: from.address, port: from.port, hex: bytes.toString('hex') })}\n`,
  );
});
socket.bind(68, '0.0.0.0', () => {
  socket.setBroadcast(true);
  for (const text of process.argv.slice(2)) {
    const order = JSON.parse(text) as Order;
    socket.send(Buffer.from(order.send, 'hex'), order.port, order.to);
  }
  // Long enough for dnsmasq, which is told not to ping first.
  setTimeout(() => socket.close(), 1_500);
});
