/** Options of `createSender` of wrong kinds: one clear error, which names the option. */

import { expect, test } from 'vitest'
import { createSender, type SenderOptions } from '../index.ts'

/** Values that each option does not take. A documented option that is missing here does not compile. */
const WRONG: Record<keyof SenderOptions, readonly unknown[]> = {
  templates: [null, 5, 'text', [], () => ({}), { Digest: null }, { Digest: { subject: 'Hello' } }],
  translations: [null, 5, 'text', [], { de: 5 }, { de: { WelcomeEmail: 5 } }, { de: { No: {} } }],
  transport: [null, 5, 'text', [], {}, () => {}],
  from: [null, 5, true, {}, [], () => 'ada@example.com'],
  logger: [null, 5, 'text', [], {}, { info() {} }],
}

const cases = Object.entries(WRONG).flatMap(([option, values]) =>
  values.map((value) => ({ option, value })),
)

test.each(cases)('createSender names the option $option for $value', ({ option, value }) => {
  const make = () => createSender({ [option]: value } as never)
  expect(make).toThrow(expect.objectContaining({ code: 'invalid_options', status: 500 }))
  expect(make).toThrow(`createSender: ${option}`)
})

test.each([[null], [5], ['text'], [[]]])('createSender(%j) is refused', (options) => {
  expect(() => createSender(options as never)).toThrow('The argument of createSender')
})

test('an own template and transport are taken', () => {
  const transport = { send: async () => ({ id: '1', provider: 'own', deduplicated: null }) }
  expect(() => createSender({ transport, from: 'ada@example.com' })).not.toThrow()
})
