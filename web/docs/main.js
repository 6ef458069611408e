// Shows the API's description, with a button to try each request.
SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  tryItOutEnabled: true,
  // A token is forgotten with the page: it is not kept where a later script could read it.
  persistAuthorization: false,
});
