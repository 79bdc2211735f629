import js from "@eslint/js";
import globals from "globals";

export default [
  js.configs.recommended,
  {
    files: ["scripts/**/*.js"],
    // An output carries its script as it is: no modules, no build.
    languageOptions: { ecmaVersion: 2020, sourceType: "script", globals: globals.browser },
    rules: {
      curly: ["error", "multi-line"],
      eqeqeq: "error",
      "no-implicit-globals": "error",
      "no-var": "error",
      "prefer-const": "error",
      strict: ["error", "never"],
    },
  },
];
