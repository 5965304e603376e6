/** Boot media, for machines that do not boot from the network by themselves. */
import { BootMediumQuery, type Control, openBootMedium } from '../../control/index.ts';
import { sendStream, whileAsked } from '../outgoing-body.ts';
import type { ApiInstance } from '../route-provider.ts';
import { streamed } from './answers.ts';

export function bootMediaRoutes(control: Control) {
  return async (app: ApiInstance): Promise<void> => {
    app.get(
      '/boot-media',
      {
        exposeHeadRoute: false,
        schema: {
          operationId: 'downloadBootMedium',
          summary: 'An image for CD, DVD or USB that boots on BIOS and UEFI, without DHCP options',
          tags: ['boot media'],
          querystring: BootMediumQuery,
          response: streamed('the image'),
        },
      },
      async ({ query }, reply) => {
        const { fileName, stream } = await openBootMedium(control, query, whileAsked(reply));
        return sendStream(reply, stream, fileName);
      },
    );
  };
}
