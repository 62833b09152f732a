/** Results of the functions of scenario.cjs where everything works. */
declare const scenario: { readonly talked: string; readonly traded: string };
export = scenario;
