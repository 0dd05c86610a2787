/**
 * A mark on requests whose body was parsed and written anew on the way: handlers that verify a signature
 * over the raw bytes can say so, instead of calling the signature wrong.
 *
 * @module
 */

// Registered, because a copied package and a workspace package can meet in one process.
const PARSED = Symbol.for('tollgate.parsedBody')

/** Marks a request whose body has other bytes than were sent. */
export function markParsed(req: Request): void {
  Object.defineProperty(req, PARSED, { value: true })
}

/** Whether the request's body was parsed and written anew before it got here. */
export const wasParsed = (req: Request): boolean => PARSED in req
