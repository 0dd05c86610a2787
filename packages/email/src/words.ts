/**
 * Makes names that people typed for themselves and their organizations safe to show. A mail carries them to
 * addresses that may belong to somebody else, under the host's own name. So only a plain name is kept: no
 * link, no e-mail address, no telephone number, no invisible or text-reversing characters, 60 letters at the
 * most.
 *
 * @see https://www.unicode.org/reports/tr29/ (what a letter is to people)
 * @see https://www.unicode.org/reports/tr36/ (what letters can hide)
 * @module
 */

import * as z from 'zod'

/** The most letters (grapheme clusters), as people count them. */
const MAX_LETTERS = 60
/** The most code units: some scripts combine any number of characters into one letter. */
const MAX_SHOWN = 240
/** The rest of a longer text is ignored; the shown part is much shorter. */
const MAX_LENGTH = 1_000
/** More than four combining marks in a row. No script puts more on one letter. */
const MANY_MARKS = /(\p{M}{4})\p{M}+/gu
/** A longer word gets break points. */
const MAX_WORD = 20

/** Made with the first text: it reads the rules of all scripts, which takes longer than importing this package. */
let segmenter: Intl.Segmenter | undefined
const lettersOf = (text: string): string[] => {
  segmenter ??= new Intl.Segmenter('en', { granularity: 'grapheme' })
  return [...segmenter.segment(text)].map(({ segment }) => segment)
}

/**
 * Returns the text as a mail may show it. Returns null if nothing is left, or if the text is a message and
 * not a name: it contains a link, an e-mail address or a telephone number.
 */
export function strangersWords(text: string): string | null {
  const plain = visible(text.slice(0, MAX_LENGTH))
  if (leadsSomewhere(plain)) return null
  return cut(withoutDomains(plain)) || null
}

/** A template's prop for text that a stranger typed. The template gets null if the text must not be shown. */
export const words = () => z.string().transform(strangersWords)

/** `Hello Ada,` for a name that may be shown, else `Hello,`. */
export const hello = (name: string | null | undefined): string =>
  name ? `Hello ${name},` : 'Hello,'

function cut(text: string): string {
  const letters = lettersOf(text)
  let shown = ''
  for (const [at, letter] of letters.entries()) {
    const isLast = at === letters.length - 1
    if ((at === MAX_LETTERS - 1 && !isLast) || shown.length + letter.length > MAX_SHOWN) {
      return `${shown.trimEnd()}…`
    }
    shown += letter
  }
  return shown
}

/**
 * Keeps the visible characters in one line: removes direction marks, zero-width and control characters and
 * halves of surrogate pairs.
 */
function visible(text: string): string {
  return text
    .normalize('NFC')
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Zs}]+/gu, ' ')
    .replace(/[\p{Cs}\p{Cf}\p{Co}\p{Cn}\p{Default_Ignorable_Code_Point}]+/gu, '')
    .replace(MANY_MARKS, '$1')
    .replace(/ {2,}/g, ' ')
    .trim()
}

/** Mail programs and telephones turn these into links. Full stops of other scripts count, too. */
const LEADS = [
  /[a-z][a-z0-9+.-]{0,20}:\s?\/\//i,
  /\b(?:mailto|tel|sms|skype|whatsapp|javascript|data):\S/i,
  /\bwww\d{0,3}[.。．｡․]/i,
  /@[\p{L}\p{N}-]+[.。．｡․]/u,
  /[\p{L}\p{N}][.。．｡․]\p{L}[\p{L}\p{N}-]+(?::\d{2,5})?[/?#]/u,
  /\b\d{1,3}(?:\.\d{1,3}){3}\b/,
  /\p{Nd}(?:[\s().+/-]{0,3}\p{Nd}){8}/u,
  /(?:\+|00)\s?\p{Nd}(?:[\s().+/-]{0,3}\p{Nd}){6}/u,
]

const leadsSomewhere = (text: string): boolean => {
  const folded = text.normalize('NFKC')
  return LEADS.some((sign) => sign.test(text) || sign.test(folded))
}

/** Shows a name like a domain without its dots: `monday.com` and `J.R.R. Tolkien` are names and not links. */
const withoutDomains = (text: string): string =>
  text.replace(/(?<=[\p{L}\p{N}])[.。．｡․](?=\p{L})/gu, ' ')

/** Splits the text where a line may break inside a long word. */
export function breakable(text: string): string[] {
  const parts = ['']
  for (const [word] of text.matchAll(/\s+|\S+/g)) {
    for (const [at, letter] of lettersOf(word).entries()) {
      if (at > 0 && at % MAX_WORD === 0) parts.push('')
      parts[parts.length - 1] += letter
    }
  }
  return parts
}
