/**
 * Ids of providers' objects, as texts of events name them.
 *
 * @module
 */

/**
 * A function that recognizes ids with one of these prefixes. A client secret begins like the id of its object and goes
 * on with `_secret_`; it is no id.
 */
export function idWith(...prefixes: readonly string[]): (text: string) => boolean {
  const pattern = new RegExp(`^(${prefixes.join('|')})_(?!\\w*_secret_)\\w+$`)
  return (text) => pattern.test(text)
}
