"use strict";
// Nothing is kept in the browser: who reloads the page authorizes anew.
const page = document.getElementById("swagger-ui");
window.SwaggerUIBundle({ domNode: page, url: page.dataset.document, validatorUrl: null, persistAuthorization: false });
