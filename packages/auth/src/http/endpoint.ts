/**
 * The type of a Better Auth endpoint, for functions that wrap one.
 *
 * @module
 */

/** An endpoint as Better Auth calls it. */
export interface Endpoint {
  // biome-ignore lint/suspicious/noExplicitAny: each endpoint has a context of its own.
  (ctx: any): Promise<any>
  path?: string
  options?: unknown
}
