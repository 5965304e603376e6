/**
 * The upgrade of a connection to TLS, with X.509 certificates, pre-shared keys, or both.
 */
import type { Socket } from 'node:net';
import {
  createServer,
  DEFAULT_CIPHERS,
  type Server,
  type TLSSocket,
  type TlsOptions,
} from 'node:tls';

export interface X509Settings {
  /** PEM. */
  readonly key: string | Buffer;
  /** PEM, the server's certificate first. */
  readonly cert: string | Buffer;
  /** PEM of the authorities that client certificates must come from. */
  readonly ca?: string | Buffer;
  /** Whether a client must, may or need not show a certificate. A bad one is never accepted. */
  readonly clientCertificates: 'none' | 'optional' | 'required';
}

export interface TlsSettings {
  /** `required`: nothing but STARTTLS is answered in plain text. */
  readonly mode: 'allowed' | 'required';
  readonly x509?: X509Settings;
  /** The key of an identity, or undefined when it is unknown. */
  readonly psk?: (identity: string) => Buffer | undefined;
}

export interface Upgraded {
  readonly socket: TLSSocket;
  /** Common name of the verified client certificate, or the PSK identity. */
  readonly identity: string | undefined;
}

/** OpenSSL leaves these out of its default list. GnuTLS clients (libnbd, QEMU) offer the first two. */
const PSK_CIPHERS =
  'ECDHE-PSK-CHACHA20-POLY1305:ECDHE-PSK-AES256-CBC-SHA384:ECDHE-PSK-AES128-CBC-SHA256:' +
  'DHE-PSK-AES256-GCM-SHA384:DHE-PSK-AES128-GCM-SHA256:DHE-PSK-CHACHA20-POLY1305:' +
  'PSK-AES256-GCM-SHA384:PSK-AES128-GCM-SHA256';

export class TlsUpgrader {
  readonly #settings: TlsSettings;
  readonly #options: TlsOptions;
  readonly #identities = new WeakMap<Socket, string>();
  /**
   * node:tls verifies a client certificate only inside a tls.Server, and reports the outcome as an
   * event of that server without saying for which socket. So each handshake has a server of its own
   * while it lasts; they never listen, and are used again because making one parses the keys.
   */
  readonly #idle: Server[] = [];

  constructor(settings: TlsSettings) {
    this.#settings = settings;
    this.#options = this.#tlsOptions();
    this.#idle.push(createServer(this.#options)); // now, so that bad keys are found at start
  }

  /** Rejects when the handshake fails or the client may not enter. The caller limits the time. */
  upgrade(plain: Socket): Promise<Upgraded> {
    const server = this.#idle.pop() ?? createServer(this.#options);
    return new Promise<Upgraded>((resolve, reject) => {
      const finish = (): void => {
        server.removeAllListeners('secureConnection');
        server.removeAllListeners('tlsClientError');
        plain.off('close', onClose);
        this.#idle.push(server);
      };
      const onClose = (): void => {
        finish();
        reject(new Error('the client closed the connection or its certificate was refused'));
      };
      server.once('secureConnection', (socket) => {
        finish();
        if (this.#isRefused(socket)) {
          socket.destroy();
          reject(new Error(`client certificate refused: ${String(socket.authorizationError)}`));
        } else resolve({ socket, identity: this.#identity(socket) });
      });
      server.once('tlsClientError', (error) => {
        finish();
        reject(error);
      });
      plain.once('close', onClose);
      server.emit('connection', plain);
    });
  }

  /** Without `rejectUnauthorized` Node lets a bad certificate pass; only the lack of one may. */
  #isRefused(socket: TLSSocket): boolean {
    if (this.#settings.x509?.clientCertificates !== 'optional' || socket.authorized) return false;
    return socket.getPeerX509Certificate() !== undefined;
  }

  #identity(socket: TLSSocket): string | undefined {
    const identity = this.#identities.get(socket);
    if (identity !== undefined) return identity;
    if (!socket.authorized) return undefined;
    const name = socket.getPeerCertificate().subject?.CN;
    return Array.isArray(name) ? name[0] : name;
  }

  #tlsOptions(): TlsOptions {
    const { x509, psk } = this.#settings;
    const options: TlsOptions = { minVersion: 'TLSv1.2', handshakeTimeout: 0x7fffffff };
    if (x509 !== undefined) {
      options.key = x509.key;
      options.cert = x509.cert;
      if (x509.ca !== undefined) options.ca = x509.ca;
      options.requestCert = x509.clientCertificates !== 'none';
      options.rejectUnauthorized = x509.clientCertificates === 'required';
    }
    if (psk !== undefined) {
      if (x509 === undefined) options.ciphers = PSK_CIPHERS;
      else {
        // The default list ends with !PSK. Under TLS 1.3 a GnuTLS client that has a key and no
        // certificate is answered with ours all the same, and gives up: with both, 1.2 it is.
        options.ciphers = `${PSK_CIPHERS}:${DEFAULT_CIPHERS.replace(':!PSK', '')}`;
        options.maxVersion = 'TLSv1.2';
      }
      options.dhparam = 'auto';
      options.pskCallback = (socket, identity) => {
        const key = psk(identity);
        if (key === undefined) return null;
        this.#identities.set(socket, identity);
        return key;
      };
    }
    return options;
  }
}
