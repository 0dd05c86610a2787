import { index, type RouteConfig, route } from '@react-router/dev/routes'
import { tollgateRoutes } from './tollgate.routes'

export default [
  index('routes/home.tsx'),
  route('api/me', 'routes/me.ts'),
  route('api/upgrade', 'routes/upgrade.ts'),
  ...tollgateRoutes,
] satisfies RouteConfig
