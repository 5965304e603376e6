/** NOTLS, SELECTIVETLS and FORCEDTLS ("Server-side requirements"). */
import { must, mustEqual } from '../raw.ts';
import { infoData, isError, metaData, optionHeader } from '../session.ts';
import { type Case, needs, refused } from '../suite.ts';
import { CMD, ERR, INFO, OPT, REP, REP_ERR } from '../values.ts';

const onlyMode = (mode: 'off' | 'allowed' | 'required') => (lab: { target: { tls: string } }) =>
  lab.target.tls !== mode && `TLS is ${lab.target.tls}, not ${mode}`;

const everyOption = (name: string): readonly (readonly [number, Buffer])[] => [
  [OPT.LIST, Buffer.alloc(0)],
  [OPT.INFO, infoData(name, [])],
  [OPT.GO, infoData(name, [INFO.BLOCK_SIZE])],
  [OPT.STRUCTURED_REPLY, Buffer.alloc(0)],
  [OPT.EXTENDED_HEADERS, Buffer.alloc(0)],
  [OPT.LIST_META_CONTEXT, metaData(name, [])],
  [OPT.SET_META_CONTEXT, metaData(name, ['base:allocation'])],
  [OPT.PEEK_EXPORT, Buffer.alloc(0)],
  [0x4321, Buffer.from('unsupported')],
];

export const tlsCases: readonly Case[] = [
  {
    id: 'tls-off-refuses',
    level: 'MUST',
    section: 'NOTLS mode',
    quote:
      'If the server receives NBD_OPT_STARTTLS it MUST respond with NBD_REP_ERR_POLICY …, NBD_REP_ERR_UNSUP … or another error … MUST NOT respond to any option request with NBD_REP_ERR_TLS_REQD',
    skip: onlyMode('off'),
    run: async (lab) => {
      const session = await lab.greeted();
      const allowed = [REP_ERR.POLICY, REP_ERR.UNSUP, REP_ERR.PLATFORM, REP_ERR.INVALID];
      await refused(session, OPT.STARTTLS, Buffer.alloc(0), allowed);
      for (const [option, data] of everyOption(lab.name)) {
        if (option === OPT.GO) continue;
        const type = await session.optionResult(option, data);
        must(type !== REP_ERR.TLS_REQD, `TLS_REQD to option ${option}`);
      }
    },
  },
  {
    id: 'tls-required-options',
    level: 'MUST',
    section: 'FORCEDTLS mode',
    quote:
      'If the server receives any other option, including NBD_OPT_INFO and unsupported options, it MUST reply with NBD_REP_ERR_TLS_REQD if TLS has not been initiated',
    skip: onlyMode('required'),
    run: async (lab) => {
      const session = await lab.greeted();
      for (const [option, data] of everyOption(lab.name)) {
        const replies = await session.option(option, data);
        mustEqual(replies.length, 1, `number of replies to option ${option}`);
        mustEqual(replies[0]!.type, REP_ERR.TLS_REQD, `reply to option ${option}`);
      }
      await lab.startTls(session);
      await session.go(lab.name);
      await lab.alive(session);
    },
  },
  {
    id: 'tls-required-export-name',
    level: 'MUST',
    section: 'FORCEDTLS mode',
    quote:
      'If the server receives a request to enter transmission mode via NBD_OPT_EXPORT_NAME when TLS has not been initiated, then as this request cannot error, it MUST terminate the session',
    skip: onlyMode('required'),
    run: async (lab) => {
      const session = await lab.greeted();
      session.sendOption(OPT.EXPORT_NAME, Buffer.from(lab.name));
      await session.wire.closed();
    },
  },
  {
    id: 'tls-required-abort',
    level: 'MUST',
    section: 'Server-side requirements',
    quote:
      'erroring any NBD options other than NBD_OPT_STARTTLS or NBD_OPT_ABORT with NBD_REP_ERR_TLS_REQD',
    skip: onlyMode('required'),
    run: async (lab) => {
      const session = await lab.greeted();
      mustEqual(await session.optionResult(OPT.ABORT), REP.ACK, 'reply to ABORT');
    },
  },
  {
    id: 'tls-upgrade',
    level: 'MUST',
    section: 'FORCEDTLS mode',
    quote:
      'After an NBD_REP_ACK reply has been sent, the server MUST be prepared for a TLS handshake, and all further data MUST be sent and received over TLS',
    skip: needs.tls,
    run: async (lab) => {
      const session = await lab.greeted();
      await lab.startTls(session);
      await session.negotiate(lab.facts.structured ? 'structured' : 'simple');
      await session.go(lab.name);
      await lab.alive(session);
    },
  },
  {
    id: 'tls-twice',
    level: 'MUST',
    section: 'FORCEDTLS mode',
    quote:
      'If the server receives NBD_OPT_STARTTLS when TLS has already been negotiated, it MUST reply with NBD_REP_ERR_INVALID … MUST NOT send NBD_REP_ERR_TLS_REQD in reply to any option if TLS has already been initiated',
    skip: needs.tls,
    run: async (lab) => {
      const session = await lab.greeted();
      await lab.startTls(session);
      await refused(session, OPT.STARTTLS, Buffer.alloc(0), [REP_ERR.INVALID]);
      for (const [option, data] of everyOption(lab.name)) {
        if (option === OPT.GO) continue;
        const type = await session.optionResult(option, data);
        must(type !== REP_ERR.TLS_REQD, `TLS_REQD to option ${option}`);
      }
    },
  },
  {
    id: 'tls-with-data',
    level: 'SHOULD',
    section: 'Option types',
    quote:
      'an error reply explicitly permitted by this document (for example, NBD_REP_ERR_INVALID if the client included data)',
    skip: needs.tls,
    run: async (lab) => {
      const session = await lab.greeted();
      const type = await session.optionResult(OPT.STARTTLS, Buffer.from('x'));
      mustEqual(type, REP_ERR.INVALID, 'reply type');
      await lab.startTls(session);
      await session.go(lab.name);
    },
  },
  {
    id: 'tls-injected-option',
    level: 'MUST',
    section: 'FORCEDTLS mode',
    quote:
      'all further data MUST be sent and received over TLS (an option sent in plain text behind STARTTLS must not be obeyed)',
    skip: needs.tls,
    run: async (lab) => {
      const session = await lab.greeted();
      session.wire.send(optionHeader(OPT.STARTTLS, 0), optionHeader(OPT.LIST, 0));
      const answer = await session.wire.drain(); // it is no TLS record: the session ends
      const acks = answer.length / 20;
      must(acks <= 1 || answer[20] === 0x15, 'the injected option was answered'); // 0x15: TLS alert
      await lab.serving();
    },
  },
  {
    id: 'tls-garbage',
    level: 'MUST',
    section: 'FORCEDTLS mode',
    quote: 'If the handshake is unsuccessful the server MUST terminate the session',
    skip: needs.tls,
    run: async (lab) => {
      const session = await lab.greeted();
      await session.optionOk(OPT.STARTTLS);
      session.wire.send(Buffer.alloc(512, 0x5a));
      await session.wire.drain();
      await lab.serving();
    },
  },
  {
    id: 'tls-vanishing-client',
    level: 'MUST',
    section: 'FORCEDTLS mode',
    quote: 'If the handshake is unsuccessful the server MUST terminate the session',
    skip: needs.tls,
    run: async (lab) => {
      const session = await lab.greeted();
      await session.optionOk(OPT.STARTTLS);
      session.wire.reset();
      await lab.serving();
    },
  },
  {
    id: 'tls-1.2',
    level: 'MUST',
    section: 'TLS versions',
    quote: 'NBD implementations supporting TLS MUST support TLS version 1.2',
    skip: needs.tls,
    run: async (lab) => {
      const session = await lab.greeted();
      await session.optionOk(OPT.STARTTLS);
      await session.wire.startTls({
        ...lab.target.tlsOptions,
        minVersion: 'TLSv1.2',
        maxVersion: 'TLSv1.2',
      });
      await session.go(lab.name);
      await lab.alive(session);
    },
  },
  {
    id: 'tls-1.1',
    level: 'SHOULD',
    section: 'TLS versions',
    quote: 'MAY support older versions but SHOULD NOT do so by default',
    skip: needs.tls,
    run: async (lab) => {
      const session = await lab.greeted();
      await session.optionOk(OPT.STARTTLS);
      const old = {
        minVersion: 'TLSv1',
        maxVersion: 'TLSv1.1',
        ciphers: 'DEFAULT@SECLEVEL=0',
      } as const;
      const outcome = await session.wire.startTls({ ...lab.target.tlsOptions, ...old }).then(
        () => 'accepted',
        () => 'refused',
      );
      mustEqual(outcome, 'refused', 'TLS 1.1');
      await lab.serving();
    },
  },
  {
    id: 'tls-drops-structured',
    level: 'MUST',
    section: 'Option types',
    quote:
      'When this command succeeds, the server MUST NOT preserve any negotiation state (such as a request for NBD_OPT_STRUCTURED_REPLY or NBD_OPT_EXTENDED_HEADERS, or metadata contexts)',
    skip: needs.all(onlyMode('allowed'), needs.structured),
    run: async (lab) => {
      for (const option of [OPT.STRUCTURED_REPLY, OPT.EXTENDED_HEADERS]) {
        const session = await lab.greeted();
        await session.option(option);
        await lab.startTls(session);
        await session.go(lab.name);
        await lab.alive(session); // Session expects simple replies
      }
    },
  },
  {
    id: 'tls-drops-contexts',
    level: 'MUST',
    section: 'Option types',
    quote:
      'the server MUST NOT preserve any negotiation state (… metadata contexts from NBD_OPT_SET_META_CONTEXT)',
    skip: needs.all(onlyMode('allowed'), needs.allocation),
    run: async (lab) => {
      const session = await lab.greeted();
      await session.negotiate('structured');
      await session.setMeta(lab.name, ['base:allocation']);
      session.style = 'simple';
      await lab.startTls(session);
      await session.negotiate('structured');
      await session.go(lab.name);
      const reply = await session.call({ type: CMD.BLOCK_STATUS, length: 4096 });
      mustEqual(reply.error, ERR.EINVAL, 'error of BLOCK_STATUS');
    },
  },
  {
    id: 'tls-not-fixed-newstyle',
    level: 'MUST',
    section: 'Server-side requirements',
    quote:
      'The server MUST operate in NOTLS mode unless the server set flag NBD_FLAG_FIXED_NEWSTYLE and the client replied with NBD_FLAG_C_FIXED_NEWSTYLE',
    skip: onlyMode('allowed'),
    run: async (lab) => {
      const session = await lab.greeted(0);
      session.sendOption(OPT.STARTTLS);
      // Refused or dropped, as a client that is not fixed newstyle has but one option.
      const answer = await Promise.race([
        session.optionReply(OPT.STARTTLS).then(({ type }) => isError(type)),
        session.wire.closed().then(() => true),
      ]).catch(() => true);
      must(answer, 'STARTTLS was accepted');
    },
  },
];
