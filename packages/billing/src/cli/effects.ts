/**
 * Commands about effects: what waits for an instance that takes it, and what is told again.
 *
 * @module
 */

import { databaseEnv } from '@repo/db'
import { type Command, say } from './command.ts'

export const effectCommands: Record<string, Command> = {
  'effects list': {
    flags: { limit: '100' },
    does: 'effects that wait for an instance with the handler or the plan that they need',
    needs: [databaseEnv],
    async run(_, { limit }, billing) {
      const options = limit === undefined ? {} : { limit: Number(limit) }
      const effects = await billing.listWaitingEffects(options)
      for (const { createdAt, key, name, ownerId, awaits } of effects) {
        say([createdAt.toISOString(), name, key, ownerId, `waits: ${awaits.join(', ')}`].join('  '))
      }
      if (effects.length === 0) say('There are none.')
      return { effects }
    },
  },

  'effects redeliver': {
    takes: '<key>…',
    does: 'tell these effects again, each under its key: what your instance has for it and was not done',
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
