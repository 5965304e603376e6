/** What `xen-api` throws when it is asked for an object that it has not seen. */
export function noSuchObject(id: string): Error {
  return new Error(`no such object ${id}`);
}
