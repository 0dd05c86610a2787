import { type GateEnv, gateOf } from './lib/gate'

export default {
  async fetch(request: Request, env: GateEnv): Promise<Response> {
    const gate = gateOf(env)
    if (new URL(request.url).pathname !== '/edge/me') return gate.pass(request)
    return gate.forUser(request, ({ userId }) => Response.json({ userId }))
  },
}
