/**
 * An endpoint of Better Auth, as those functions see it that wrap one.
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
