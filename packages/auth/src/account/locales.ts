/**
 * The language of a user: a tag of BCP 47, from a sign-up, a provider or the browser's `Accept-Language`.
 *
 * @see https://www.rfc-editor.org/rfc/rfc4647#section-3.4 (lookup)
 * @module
 */

/** The longest tag that is stored, in characters (RFC 5646, section 4.4.1). */
const LONGEST_TAG = 35
/** How many entries of `Accept-Language` are read. */
const MOST_ENTRIES = 20

/** A tag in its canonical spelling, such as `de-AT`; null for a text that is not a tag. */
export function canonicalLocale(text: unknown): string | null {
  if (typeof text !== 'string' || text.length > LONGEST_TAG) return null
  try {
    return Intl.getCanonicalLocales(text)[0] ?? null
  } catch {
    return null
  }
}

/**
 * The locale to store for `text`: the best of `locales`, which are the host's, or every tag if there are none.
 * Null: the text is not a tag, or the host does not have its language.
 */
export function localeFor(text: unknown, locales: readonly string[] | undefined): string | null {
  const tag = canonicalLocale(text)
  if (tag === null || locales === undefined) return tag
  for (let range = tag; range !== ''; range = range.slice(0, Math.max(range.lastIndexOf('-'), 0))) {
    const found = locales.find((each) => each.toLowerCase() === range.toLowerCase())
    if (found !== undefined) return found
  }
  return null
}

/** The locale that a browser asks for first and the host has; null without one. */
export function acceptedLocale(
  header: string | null | undefined,
  locales: readonly string[] | undefined,
): string | null {
  const entries = (header ?? '').split(',', MOST_ENTRIES).map((entry, at) => {
    const [tag = '', ...parameters] = entry.split(';').map((part) => part.trim())
    const quality = parameters.find((each) => /^q=/i.test(each))
    return { tag, at, quality: quality === undefined ? 1 : Number(quality.slice(2)) }
  })
  const wanted = entries.filter(({ quality }) => quality > 0 && quality <= 1)
  wanted.sort((a, b) => b.quality - a.quality || a.at - b.at)
  for (const { tag } of wanted) {
    const locale = localeFor(tag, locales)
    if (locale !== null) return locale
  }
  return null
}
