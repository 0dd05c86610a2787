/** The oldest and the newest version of Stripe's API that the stand-in speaks. */

export const OLD = '2024-04-10'
export const NEW = '2026-10-28.endive'
