/**
 * `tollgate env`: the variables of the host's parts, and which of them are set.
 *
 * @module
 */

import { readEnvFiles } from '@repo/core/cli'
import { type Checkout, closureOf } from './checkout.ts'
import { variableNames } from './extras.ts'
import { textOf } from './files.ts'
import { blocksOf } from './formats.ts'
import type { Host } from './host.ts'
import type { Receipt } from './receipt.ts'

/** A variable of the host's parts. */
export interface VariableState {
  name: string
  /** The part that reads it. */
  part: string
  /** Whether production needs it. */
  isRequired: boolean
  /** Whether the process, `.env.local` or `.env` has a value. */
  isSet: boolean
  /** What it is and how to get it, from `.env.example`. */
  about: string
}

/** The variables of the host's parts, the required ones first. No value is returned. */
export function variablesOf(
  checkout: Checkout,
  host: Host,
  receipt: Receipt,
  environment: Record<string, string | undefined> = process.env,
): VariableState[] {
  const values = { ...environment }
  readEnvFiles(host.folder, values)
  const file = checkout.read('.env.example')
  const about = new Map(
    blocksOf((file && textOf(file)) ?? '').flatMap(({ names, text }) => {
      const comment = text
        .split('\n')
        .flatMap((line) => (/^#(?! ?──)/.test(line) ? [line.replace(/^# ?/, '')] : []))
      return names.map((name) => [name, comment.join(' ')] as const)
    }),
  )
  const states = closureOf(checkout, receipt.parts).flatMap((each) => {
    const part = each.name
    const { required, optional } = variableNames(each, receipt.layout.without)
    const state =
      (isRequired: boolean) =>
      (name: string): VariableState => ({
        name,
        part,
        isRequired,
        isSet: (values[name] ?? '') !== '',
        about: about.get(name) ?? '',
      })
    return [...required.map(state(true)), ...optional.map(state(false))]
  })
  const once = new Map(states.map((state) => [state.name, state]))
  return [...once.values()].sort((a, b) => Number(b.isRequired) - Number(a.isRequired))
}
