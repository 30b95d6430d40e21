"use strict";

// Styles that a script writes into the page are refused by the content security policy; Unfold uses none of these.
htmx.config.includeIndicatorStyles = false;
htmx.config.allowEval = false;
