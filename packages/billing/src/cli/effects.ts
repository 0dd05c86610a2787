/**
 * Commands about effects that wait for another instance, or are delivered again.
 *
 * @module
 */

import { databaseEnv } from '@repo/db'
import { type Command, say } from './command.ts'

/** The commands `effects …`. */
export const effectCommands: Record<string, Command> = {
  'effects list': {
    flags: { limit: '100' },
    does: 'list effects that wait for an instance with the handler or plan that they need',
    needs: [databaseEnv],
    async run(_, { limit }, billing) {
      const options = limit === undefined ? {} : { limit: Number(limit) }
      const effects = await billing.listWaitingEffects(options)
      for (const { createdAt, key, name, ownerId, awaits } of effects) {
        const needs = `waits for ${awaits.join(', ')}`
        say([createdAt.toISOString(), name, key, ownerId, needs].join('  '))
      }
      if (effects.length === 0) say('There are none.')
      return { effects }
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
