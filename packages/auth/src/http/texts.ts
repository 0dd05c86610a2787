/**
 * The host's own texts of refusals, by language and code. A refusal gets the text of its code in the language that the
 * browser asks for first and the host has. Without one the English sentence stays.
 *
 * @module
 */

import { acceptedLocale, canonicalLocale } from '../account/locales.ts'
import { AuthError } from '../errors.ts'

/** Texts of refusals by language tag, and in each by code. */
export type ErrorTexts = Readonly<Record<string, Readonly<Record<string, string>>>>

/** Finds the text for a code; null if the host has none in a language of the browser. */
export type TextOf = (code: string, headers: Headers) => string | null

/** Makes the search. @throws `invalid_options` for a malformed tag, a code in capitals and an empty text */
export function createTexts(texts: ErrorTexts = {}): TextOf {
  for (const [tag, byCode] of Object.entries(texts)) {
    if (canonicalLocale(tag) !== tag) {
      throw invalid(`errorTexts has ${JSON.stringify(tag)}. Give tags such as de-AT.`)
    }
    for (const [code, text] of Object.entries(byCode)) {
      const at = `errorTexts.${tag}.${code}`
      if (!/^[a-z][a-z0-9_]*$/.test(code)) throw invalid(`${at} is not a code. See ERRORS.md.`)
      if (text.trim() === '') throw invalid(`${at} is empty. Give a text, or remove it.`)
    }
  }
  const tags = Object.keys(texts)
  return (code, headers) => {
    if (tags.length === 0) return null
    // Another language may have a text that the first one lacks.
    const having = tags.filter((tag) => Object.hasOwn(texts[tag] ?? {}, code))
    const tag = acceptedLocale(headers.get('accept-language'), having)
    return tag === null ? null : (texts[tag]?.[code] ?? null)
  }
}

const invalid = (message: string) => new AuthError('invalid_options', `createAuth: ${message}`)
