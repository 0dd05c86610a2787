/** One address, one form; and no address is taken for another that only looks like it. */

import { expect, test } from 'vitest'
import { canonicalEmail } from '../index.ts'

test.each([
  ['ada@example.com', 'ada@example.com'],
  ['Ada@Example.COM', 'Ada@example.com'],
  ['ada@münchen.example', 'ada@xn--mnchen-3ya.example'],
  ['ada@MÜNCHEN.example', 'ada@xn--mnchen-3ya.example'],
  ['ada@mu\u0308nchen.example', 'ada@xn--mnchen-3ya.example'],
  ['ada@XN--MNCHEN-3YA.example', 'ada@xn--mnchen-3ya.example'],
  ['ada@пример.рф', 'ada@xn--e1afmkfd.xn--p1ai'],
  ['ada@東京ラーメン.jp', 'ada@xn--4dkp5a8a4872a9b5a.jp'],
  ['ada@straße.de', 'ada@xn--strae-oqa.de'],
  ["o'brien@example.com", "o'brien@example.com"],
  ['ada/lovelace&co+tag@example.com', 'ada/lovelace&co+tag@example.com'],
  ['ada@sub.example.xn--p1ai', 'ada@sub.example.xn--p1ai'],
])('%s is %s', (typed, canonical) => {
  expect(canonicalEmail(typed)).toBe(canonical)
  expect(canonicalEmail(canonical)).toBe(canonical)
})

test.each([
  ['', 'nothing'],
  ['ada', 'no domain'],
  ['ada@localhost', 'one label'],
  ['@example.com', 'no local part'],
  ['ada@', 'no domain at all'],
  ['ada @example.com', 'a blank'],
  ['ada@example.com ', 'a blank behind'],
  ['ada@example.com\r\nBcc: eve@example.com', 'a header'],
  ['Ada <ada@example.com>', 'a display name'],
  ['"ada"@example.com', 'a quoted local part'],
  ['ada@[127.0.0.1]', 'an address literal'],
  ['ada@127.0.0.1', 'a number'],
  ['ada@0x7f.1', 'a number in disguise'],
  ['.ada@example.com', 'a dot in front'],
  ['a..da@example.com', 'two dots'],
  ['ada@-example.com', 'a dash in front'],
  ['ada@example..com', 'an empty label'],
  ['ada@ex\u0430mple.com', 'Cyrillic among Latin'],
  ['ada@ｅxample.com', 'full width'],
  ['ada@\u212aate.com', 'a Kelvin sign'],
  ['ada@exam\u00adple.com', 'a soft hyphen'],
  ['ada@a\u200bb.com', 'a zero-width space'],
  ['ada@例え。jp', 'an ideographic full stop'],
  ['ada@a/b.com', 'a slash'],
  ['ada@b@example.com', 'two at signs'],
  ['jörg@example.com', 'a local part beyond ASCII'],
  [`${'a'.repeat(65)}@example.com`, 'a long local part'],
  [`ada@${'a'.repeat(64)}.com`, 'a long label'],
  [`ada@${'é'.repeat(60)}.com`, 'a label that is long in ASCII'],
  [`a@${'abcdefgh.'.repeat(29)}com`, 'a long address'],
])('%j is not an address: %s', (text) => {
  expect(canonicalEmail(text)).toBeNull()
})

test('the result is ASCII, and is unchanged when read again', () => {
  const odd = [
    ...'aZ0-._ /\\@:#?%[]üßİıςа例ー한ａ。\u0308\u200b\u00ad\u202e\u212a\ufeff',
    '\ud800',
    '🙂',
    'xn--',
    '.com',
  ]
  let taken = 0
  for (const one of odd) {
    for (const two of odd) {
      for (const three of odd) {
        const canonical = canonicalEmail(`ada@${one}${two}${three}.example`)
        if (canonical === null) continue
        taken++
        expect(canonical).toMatch(/^ada@[a-z0-9-]+(\.[a-z0-9-]+)+$/)
        expect(canonicalEmail(canonical)).toBe(canonical)
      }
    }
  }
  expect(taken).toBeGreaterThan(100)
})

test('64 KiB are read in linear time', () => {
  const started = performance.now()
  for (const letter of ['a', '.', '@', 'ü', 'а', '-']) {
    expect(canonicalEmail(letter.repeat(64 * 1024))).toBeNull()
    expect(canonicalEmail(`a@${letter.repeat(64 * 1024)}.com`)).toBeNull()
  }
  expect(performance.now() - started).toBeLessThan(200)
})
