import type { CaseDefinition } from './case-definition.ts';
import { group1 } from './group-1.ts';
import { group2 } from './group-2.ts';
import { group3 } from './group-3.ts';
import { group4 } from './group-4.ts';
import { group5 } from './group-5.ts';
import { group6 } from './group-6.ts';
import { group7 } from './group-7.ts';
import { group9 } from './group-9.ts';
import { group10 } from './group-10.ts';
import { group12 } from './group-12.ts';
import { group13 } from './group-13.ts';

/** All 517 cases of Autobahn, in its order. */
export const catalogue: readonly CaseDefinition[] = [
  ...group1,
  ...group2,
  ...group3,
  ...group4,
  ...group5,
  ...group6,
  ...group7,
  ...group9,
  ...group10,
  ...group12,
  ...group13,
];

const numbers = new Map(catalogue.map(({ id }, index) => [id, index + 1]));

/** Returns the position of a case in the catalogue, starting at 1. */
export const caseNumber = (id: string): number => numbers.get(id) ?? 0;
