/**
 * Ids of providers' objects, as texts of events name them.
 *
 * @module
 */

/** Whether a text has the form of an object's id, by which events are searched for the orders that they mention. */
export const isObjectId = (text: string): boolean => /^[\w-]{8,255}$/.test(text)

/**
 * A function that recognizes ids with one of these prefixes. A client secret begins like the id of its object and goes
 * on with `_secret_`; it is no id.
 */
export function idWith(...prefixes: readonly string[]): (text: string) => boolean {
  const pattern = new RegExp(`^(${prefixes.join('|')})_(?!\\w*_secret_)\\w+$`)
  return (text) => pattern.test(text)
}
