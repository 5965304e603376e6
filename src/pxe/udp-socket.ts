/** UDP sockets as promises. */
import { createSocket, type Socket } from 'node:dgram';
import { type ListenTarget, listenFault } from './listen-fault.ts';

/** @throws Fault ADDRESS_IN_USE, PERMISSION_DENIED, INVALID_INPUT */
export function bindUdp(target: ListenTarget, options: { reuseAddr: boolean }): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', reuseAddr: options.reuseAddr });
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => {
      socket.close();
      reject(listenFault(error, target));
    };
    socket.once('error', failed);
    socket.bind({ address: target.address, port: target.port, exclusive: true }, () => {
      socket.off('error', failed);
      resolve(socket);
    });
  });
}

export function closeUdp(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.close(() => resolve());
  });
}
