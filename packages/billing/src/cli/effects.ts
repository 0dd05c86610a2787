/**
 * Commands about effects that wait for another instance, or are delivered again.
 *
 * @module
 */

import { databaseEnv } from '@repo/db'
import { afterOf, type Command, limitOf, nextPage, say } from './command.ts'

/** The commands `effects …`. */
export const effectCommands: Record<string, Command> = {
  'effects list': {
    flags: { limit: '100', after: '<key>' },
    does: 'list effects that wait for an instance with the handler or plan that they need',
    needs: [databaseEnv],
    async run(_, flags, billing) {
      const limit = limitOf(flags)
      const effects = await billing.listWaitingEffects({ limit, ...afterOf(flags) })
      for (const { createdAt, key, name, ownerId, awaits } of effects) {
        const needs = `waits for ${awaits.join(', ')}`
        say([createdAt.toISOString(), name, key, ownerId, needs].join('  '))
      }
      return { effects, ...nextPage(effects, limit, ({ key }) => key) }
    },
  },

  'effects redeliver': {
    takes: '<key>…',
    does: 'deliver these effects again, and run the handlers of your instance that have not run',
    needs: [databaseEnv],
    acts: true,
    async run(keys, _, billing) {
      const redelivered: object[] = []
      for (const key of keys) {
        const effect = await billing.redeliverEffect(key)
        redelivered.push(effect)
        say(`${key}: ${effect.did.length === 0 ? 'nothing was left to do' : effect.did.join(', ')}`)
      }
      return { redelivered }
    },
  },
}
