import Type, { type Static } from 'typebox';

const QUAD = '((25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\\.){3}(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])';
const SERVER = `${QUAD}(:[0-9]{1,5})?`;

export const BootMediumQuery = Type.Object(
  {
    servers: Type.Optional(
      Type.String({
        maxLength: 200,
        pattern: `^${SERVER}(,${SERVER})*$`,
        description:
          'IPv4 addresses of boot servers, with their HTTP ports where those are not 8481, with commas; this one if not given',
      }),
    ),
    address: Type.Optional(
      Type.String({
        pattern: `^${QUAD}/([1-9]|[12][0-9]|3[0-2])$`,
        description: 'address and bits of the one machine that it is for, where there is no DHCP',
      }),
    ),
    gateway: Type.Optional(
      Type.String({
        pattern: `^${QUAD}$`,
        description: 'the way from there to the servers, with address',
      }),
    ),
  },
  { additionalProperties: false },
);
export type BootMediumQuery = Static<typeof BootMediumQuery>;
